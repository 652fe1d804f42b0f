"""What looks right and may be wrong: one module per subject, each rule a function that returns cautions.

``docs/reference/warnings.md`` explains every code. A rule is silent where there is too little to tell.
"""
