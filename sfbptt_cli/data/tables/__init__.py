"""Text tables of recorded series: parsing, time stamps, repairs."""
