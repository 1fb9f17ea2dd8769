"""The interfaces of other face detection servers, so that their clients need another address only.

Each module has one interface: it translates options and answers. Everything else is the way of
``/detect``: keys, rates, admission, body, deadline and workers.
"""
