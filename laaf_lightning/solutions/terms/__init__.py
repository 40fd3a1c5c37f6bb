"""Terms of a loss by name: values for logs, residuals at some points, own terms of a problem."""
