"""Schemas of every config group with units and ranges: the only place that validates settings.

OmegaConf rejects unknown keys and wrong types; `__post_init__` rejects values out of range.
The checks run when a composed config becomes objects (`OmegaConf.to_object`). OmegaConf knows no
`Literal`, so a choice is a `str` checked against the accepted words.
"""
