"""Reading files that anybody may have written: nothing is run, nothing grows beyond its file."""
