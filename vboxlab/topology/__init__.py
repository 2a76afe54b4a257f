"""What a topology says: read with line numbers, checked, as a model; and the interface of a role."""
