"""The network: checkpoint, classifier, target layer and the engine that explains it. Needs torch."""
