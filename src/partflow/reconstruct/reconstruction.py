    x, y, z, energy = (hits.columns[name].astype(np.float64) for name in ("x", "y", "z", "energy_em"))
    columns = HitColumns(
        x,
        y,
        z,
