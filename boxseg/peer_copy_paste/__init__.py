"""Peer-assisted copy-paste (PC), and the copy-pastes it is compared with."""

from __future__ import annotations

from boxseg.peer_copy_paste.bank import Admission, AnyPseudoMask, PeerMemoryBank
from boxseg.peer_copy_paste.copy_pastes import OrdinaryCopyPaste, PeerCopyPaste
from boxseg.peer_copy_paste.occlusion import VisibilityRule, VisibleBoxes
from boxseg.peer_copy_paste.released import ReleasedCopyPaste
from boxseg.peer_copy_paste.tutors import Tutor

__all__ = [
    "Admission",
    "AnyPseudoMask",
    "OrdinaryCopyPaste",
    "PeerCopyPaste",
    "PeerMemoryBank",
    "ReleasedCopyPaste",
    "Tutor",
    "VisibilityRule",
    "VisibleBoxes",
]
