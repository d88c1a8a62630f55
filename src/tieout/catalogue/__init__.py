"""The documented objects of Sage Intacct, known offline: what fields they have and what people call them.

What a real company answers goes before what is written here: custom fields, switched-off modules and newer releases
are not in it. Knows nothing of HTTP.
"""

from tieout.catalogue.actions import Action, actions
from tieout.catalogue.index import names, owner
from tieout.catalogue.loading import load
from tieout.catalogue.model import Field, ListOf, Model, Node, Ref, Required, references, scalars
from tieout.catalogue.spelling import nearest, resolve

__all__ = [
    "Action",
    "Field",
    "ListOf",
    "Model",
    "Node",
    "Ref",
    "Required",
    "actions",
    "load",
    "names",
    "nearest",
    "owner",
    "references",
    "resolve",
    "scalars",
]
