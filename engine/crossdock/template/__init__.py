"""What ``crossdock plugin new`` makes a distribution of: connectors called ``sample`` and what is around.

Each is complete and passes the conformance kit here too (``check_*``).
"""
