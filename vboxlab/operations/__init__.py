"""The work of each verb, one file a verb: a typed request, events, a typed result; questions through a door."""
