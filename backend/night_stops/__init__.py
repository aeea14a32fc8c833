"""Night stops: being let off between two stops at night, on lines and windows set beforehand, if the driver agrees.

Frame: Code des transports L. 3115-3-1 and R. 3111-1 (décret 2020-1276).
"""
