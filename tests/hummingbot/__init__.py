"""Tests of `sluicegate.hummingbot`, without Hummingbot: peers/hummingbot has those inside it."""
