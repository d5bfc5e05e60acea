"""An embedded IB Gateway: the TWS socket protocol over loopback, a replayed market, matching, one account.

Production code never imports this package.
"""
