"""The worker process: the only code that touches VirtualBox's API.

It runs under whichever interpreter loads the binding, which may be another and older one than vboxlab's: nothing here
imports anything but the standard library, the binding and this package, and the code keeps to Python 3.10.
"""
