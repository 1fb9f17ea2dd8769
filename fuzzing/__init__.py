"""Fuzzing: inputs that a program invents, for everything that reads bytes of others.

``python -m fuzzing readers`` runs the readers of files and messages with atheris, and ``python -m
fuzzing http`` sends requests by the OpenAPI document to a real service with schemathesis.
"""
