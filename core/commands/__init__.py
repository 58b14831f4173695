"""Operator commands: eligibility, preview, planning, execution, automatic ones too."""
