"""Networks with adaptive activations: a multilayer perceptron, LeNet and a pre-activation ResNet-18."""

from laaf_lightning.models.lenet import LeNet as LeNet
from laaf_lightning.models.mlp import MLP as MLP
from laaf_lightning.models.mlp import Init as Init
from laaf_lightning.models.preact_resnet import PreActResNet18 as PreActResNet18
