"""Guests: reached over SSH, configured by one script from typed resources, looked at, and explained."""
