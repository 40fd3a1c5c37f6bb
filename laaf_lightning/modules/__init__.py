"""LightningModules: regression, PINNs and image classification."""

from laaf_lightning.modules.base import AdaptiveModule as AdaptiveModule
from laaf_lightning.modules.burgers_pinn import BurgersPINN as BurgersPINN
from laaf_lightning.modules.classifier import ImageClassifier as ImageClassifier
from laaf_lightning.modules.pinn import PINN as PINN
from laaf_lightning.modules.regressor import FunctionRegressor as FunctionRegressor
