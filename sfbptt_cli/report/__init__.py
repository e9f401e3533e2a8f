"""From a folder of runs to a table, the sweep figure and one page, from stored files alone."""
