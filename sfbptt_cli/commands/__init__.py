"""What each subcommand does, once its settings are checked."""
