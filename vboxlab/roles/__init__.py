"""The roles that come with vboxlab, one folder each, found by the entry points `vboxlab.roles` as anybody's.

A folder holds all that is known of its role, and nothing outside it names the role:
role.py   its parameters, and the answers of vboxlab.topology.roles.Role; loaded with every topology, so nothing heavy
rules.py  what must hold in a topology for it
guest.py  its resources, and the other answers of vboxlab.guest.roles.GuestRole
slips.py  what students get wrong in its files
words.py  its sentences, where they are many; locale/ has them in other languages
"""
