"""Heat maps in the formats of other programs: LabelMe, COCO, NumPy, TIFF and FiftyOne."""
