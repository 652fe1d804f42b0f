"""Heat maps in the formats of other programs: LabelMe, COCO, PNG masks, NumPy, TIFF and FiftyOne."""
