"""What comes from a file that somebody else may have written: looked at before anything of it is imported or called.

`addresses` fetches, `checkpoint_files` loads, `names` finds what a string names, `factories` tells what may be called
where, `loading` and `trainer_loads` put them together; `rebuilt_settings` turns a checkpoint's settings into arguments, `yaml_texts` measures a text before it is read.
"""
