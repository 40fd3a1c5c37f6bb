"""What comes from a file that somebody else may have written: looked at before anything of it is imported or called.

`addresses` fetches, `checkpoint_files` loads, `names` finds what a string names, `factories` tells what may be called
where, `rebuilt_settings` turns a checkpoint's settings into arguments, `loading` and `trainer_loads` put these together
for a class and for a Trainer; `yaml_texts` measures a text before it is read.
"""
