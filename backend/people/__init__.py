"""People: riders' devices, staff, sessions, patrol teams, duty and positions."""
