"""The table at the end: fault, times injected, lost, duplicated, worst recovery."""


class Report:
    def __init__(self):
        self.faults = {}  # name → {"times", "recovery", "kinds"}
        self.findings = []  # (round, kind, what)
        self.counts = {}

    def add(self, name, number=1):
        self.counts[name] = self.counts.get(name, 0) + number

    def find(self, where, kind, what):
        self.findings.append((where, kind, what))
        print(f"{kind:>11}  {where}: {what}", flush=True)

    def strike(self, struck, recovery):
        row = self.faults.setdefault(struck.fault, {"times": 0, "recovery": 0.0, "kinds": {}})
        row["times"] += 1
        row["recovery"] = max(row["recovery"], recovery)
        row["kinds"][struck.what] = row["kinds"].get(struck.what, 0) + 1

    def number(self, *kinds):
        return sum(1 for _, kind, _ in self.findings if kind in kinds)

    @property
    def clean(self):
        return not self.findings

    def table(self):
        """A finding cannot be blamed on one fault among many: it is counted in every fault of its round."""
        lines = [f"{'fault':<12}{'injected':>9}{'lost':>6}{'duplicated':>12}{'stuck':>7}{'wrong':>7}"
                 f"{'worst recovery':>16}   of"]
        for name, row in sorted(self.faults.items()):
            lost, twice, stuck, wrong = (sum(1 for where, kind, _ in self.findings
                                             if kind == of and name in where.faults)
                                         for of in ("lost", "duplicated", "stuck", "wrong"))
            kinds = " ".join(f"{kind}:{times}" for kind, times in sorted(row["kinds"].items()))
            lines.append(f"{name:<12}{row['times']:>9}{lost:>6}{twice:>12}{stuck:>7}{wrong:>7}"
                         f"{row['recovery']:>14.1f} s   {kinds}")
        total = sum(row["times"] for row in self.faults.values())
        lines.append(f"{'all':<12}{total:>9}{self.number('lost'):>6}{self.number('duplicated'):>12}"
                     f"{self.number('stuck'):>7}{self.number('wrong'):>7}")
        return "\n".join(lines)
