"""The regions of the body in the page's language, in the order of the page."""

from collections.abc import Mapping

from registry.domain.vocabularies import BodyRegion
from registry.web.rendering import translated


def region_words() -> Mapping[BodyRegion, str]:
    """Each region with its label."""
    return {
        BodyRegion.HEAD_NECK: translated("Head or neck"),
        BodyRegion.SHOULDER_RIGHT: translated("Right shoulder"),
        BodyRegion.SHOULDER_LEFT: translated("Left shoulder"),
        BodyRegion.ARM_RIGHT: translated("Right arm"),
        BodyRegion.ARM_LEFT: translated("Left arm"),
        BodyRegion.HAND_RIGHT: translated("Right hand"),
        BodyRegion.HAND_LEFT: translated("Left hand"),
        BodyRegion.CHEST_BACK: translated("Chest or upper back"),
        BodyRegion.LOW_BACK: translated("Low back"),
        BodyRegion.BUTTOCKS: translated("Buttocks"),
        BodyRegion.LEG_RIGHT: translated("Right leg"),
        BodyRegion.LEG_LEFT: translated("Left leg"),
        BodyRegion.FOOT_RIGHT: translated("Right foot"),
        BodyRegion.FOOT_LEFT: translated("Left foot"),
    }
