"""What disk files and appliances are by their content, read before any other program is given them.

Pure readers of headers, descriptors and allocation tables: which kind a file is, how large its disk, which other files
it names, and whether all that it promises is within its length. They never read a disk's contents: VirtualBox and
qemu-img do. Files are hostile: every error is a BaseError that says what the file is and what was expected.
"""
