"""The options of crops and of covered faces. ``phiz.options`` describes them."""

from dataclasses import dataclass

from phiz.options import BLUR_OPTIONS, CROP_OPTIONS, Align, BlurKind, CropEncoding


@dataclass(frozen=True, slots=True)
class BlurOptions:
    """How faces are covered.

    Raises:
        OptionError: A value is out of range.
    """

    kind: BlurKind = BLUR_OPTIONS["kind"].default
    grow: float = BLUR_OPTIONS["grow"].default

    def __post_init__(self) -> None:
        for name in self.__slots__:
            BLUR_OPTIONS[name].check(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class CropOptions:
    """How faces are cut out.

    Raises:
        OptionError: A value is out of range.
    """

    size: int = CROP_OPTIONS["size"].default
    margin: float | None = CROP_OPTIONS["margin"].default
    align: Align = CROP_OPTIONS["align"].default
    encoding: CropEncoding = CROP_OPTIONS["encoding"].default

    def __post_init__(self) -> None:
        for name in self.__slots__:
            CROP_OPTIONS[name].check(name, getattr(self, name))
