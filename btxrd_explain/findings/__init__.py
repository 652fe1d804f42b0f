"""Rules that several commands share, one module per subject: each a function that returns findings.

:mod:`btxrd_explain.finding` has the record and every kind. A rule is silent where there is too little to tell.
"""
