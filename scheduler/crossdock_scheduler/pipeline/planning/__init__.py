"""What a plan of any activity begins with: its JSON, evaluated and accounted for, and the ends that it names.

An end is a dataset or a linked service as ``crossdock.copy`` takes it: an address, a format and options.
"""
