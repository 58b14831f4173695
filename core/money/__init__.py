"""Prices, estimates, budgets, KPIs, forecasts and ETAs. Pure."""
