"""What a lab promises, proved: checks, faults, measurements and their reports."""
