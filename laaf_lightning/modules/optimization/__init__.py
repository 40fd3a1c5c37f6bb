"""How a module is optimised: optimiser, schedule, what a resumed run is told anew, and the refusals around them."""
