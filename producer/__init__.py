"""Sends SplitPay events to a Kafka topic: generated ones, or a user's own file. See ``python -m producer --help``."""
