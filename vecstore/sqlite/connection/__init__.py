"""Connections: how a file is opened or adopted, and what keeps several users of it apart."""
