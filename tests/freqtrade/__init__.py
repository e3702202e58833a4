"""Tests of `sluicegate.freqtrade`, without Freqtrade: peers/freqtrade has those inside it."""
