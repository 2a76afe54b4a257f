"""Labs: what is there and what shall be, plans carried out, snapshot sets, copies, the journal of restores."""
