"""The one vocabulary that the worker, the backend and other people's scripts share.

Pydantic and the standard library only, so that every process can import it in milliseconds.
"""
