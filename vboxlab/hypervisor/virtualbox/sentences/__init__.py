"""The sentences for what the worker tells: it sends codes with values, and one file a theme has what to say of each.

A test reads the worker's source: each of its codes has a sentence here, with exactly its values, and none is too many.

    telling        a code with its values as a sentence, in the language spoken
    machines, images, service
                   what happened, by what it happened to
    doing          what was being done meanwhile, and how far it is
"""
