"""The loop that trains models, and what it needs: optimizers, penalties, validation."""
