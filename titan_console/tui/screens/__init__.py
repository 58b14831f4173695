"""The screens: what an operator looks at, one module each."""
