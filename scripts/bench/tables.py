"""The measurements as Markdown."""


def rate(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown(header, rows):
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def cpu(result):
    machine, workloads = result["machine"], result["workloads"]
    processes = machine["processes"]
    each = "one core" if processes == 1 else f"{processes} processes side by side on a core each"
    peers = ["PyTorch", "PyTorch tuned", "torch.compile", "JAX"]
    peers = [peer for peer in peers if any(peer in workload["contestants"] for workload in workloads.values())]
    # The roofline is that of a single core.
    share = lambda workload: workload["contestants"]["sweep"]["median"] / processes / workload["roofline"]["steps"]

    def ratio(workload, name):
        found = workload["contestants"]
        return f"{found['sweep']['median'] / found[name]['median']:.2f} ×" if name in found else "–"

    def absolute(workload, name):
        if name not in workload["contestants"]:
            return "–"
        found = workload["contestants"][name]
        return f"{rate(found['median'])} ({rate(found['least'])}–{rate(found['most'])}) K = {found['members']}"

    text = []
    if workloads:
        text += [
            f"Model-steps a second of sweep, with the K that its planner chooses, over those of each peer at its best K; {each} of "
            f"{machine['processor']} ({machine['cores']} cores), median of {machine['rounds']} rounds of {machine['seconds']:g} s"
            f"{' of CPU time' if machine['cpu_time'] else ''}, load {machine['load_before']:.1f} before and {machine['load_after']:.1f} after.\n",
            markdown(
                ["D2GAN", *(f"sweep ÷ {peer}" for peer in peers), "sweep ÷ itself at K = 1", "of the roofline"],
                [
                    [name, *(ratio(w, peer) for peer in peers), ratio(w, "sweep, K = 1"), f"{100 * share(w):.0f} %"]
                    for name, w in workloads.items()
                ],
            ),
            "Model-steps a second: median (least–most).\n",
            markdown(
                ["D2GAN", "sweep", "sweep, K = 1", *peers, "roofline", "GFLOP/s", "GB/s"],
                [
                    [
                        name,
                        *(absolute(w, contestant) for contestant in ["sweep", "sweep, K = 1", *peers]),
                        rate(w["roofline"]["steps"]),
                        f"{w['roofline']['gflops']:.0f}",
                        f"{w['roofline']['gigabytes']:.0f}",
                    ]
                    for name, w in workloads.items()
                ],
            ),
        ]
    if "whole_sweep" in result:
        whole = result["whole_sweep"]
        part = "" if whole["measured"] == whole["jobs"] else f" (from {whole['measured']} of them)"
        text += [
            f"A whole sweep of {whole['jobs']} jobs, from command to report, on {whole['slots']} cores: {whole['sweep']:.1f} s with "
            f"`sweep run`, {whole['scripts']:.0f} s as PyTorch scripts{part}, {whole['slots']} at a time: **{whole['ratio']:.1f} ×**.\n"
        ]
    return "\n".join(text)


def gpu(result):
    machine = result["machine"]
    text = [
        f"Model-steps a second of all members together, on one {machine['card']} with {machine['processor']}; median of "
        f"{machine['rounds']} rounds of {machine['seconds']:g} s. In brackets: over one model at a time with the same program.\n"
    ]
    for name, workload in result["workloads"].items():
        found = workload["contestants"]
        serial = {who: rows[0]["median"] for who, rows in found.items()}
        sizes = sorted({row["members"] for rows in found.values() for row in rows})

        def cell(who, members, processes):
            for row in found.get(who, []):
                if (row["members"], row["processes"]) == (members, processes):
                    return f"{rate(row['median'])} ({row['median'] / serial[who]:.1f} ×)"
            return "–"

        several = max(row["processes"] for rows in found.values() for row in rows)
        rows = [[f"K = {k}", *(cell(who, k, 1) for who in found)] for k in sizes]
        rows += [[f"{several} processes, K = 1", *(cell(who, 1, several) for who in found)]]
        text.append(markdown([name, *found], rows))
    return "\n".join(text)
