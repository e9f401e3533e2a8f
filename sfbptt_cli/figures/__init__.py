"""From arrays to pictures."""
