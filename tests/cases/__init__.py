"""Rows of op_cases, one module per family of ops."""
