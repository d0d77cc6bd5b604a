"""Autoguidance that acts only at low noise. Copy this file and put your own method in its place.

Judge it with `python -m toy2d contest FILE.py`.
"""

STRENGTHS = (1.25, 1.5, 2.0, 2.5, 3.0)  # each is tried; the judge takes the best of them at equal coverage


def make(models, strength):
    """The guided denoiser: any function D(x, sigma, labels=None) with x of shape [N, 2] and sigma a number.

    models.main is the model to be guided. models.weak is smaller and less trained, models.early only less trained, models.small
    only smaller, and models.uncond knows no class. All are denoisers.
    """

    def denoiser(x, sigma, labels=None):
        D_main = models.main(x, sigma)
        if sigma > 0.5:
            return D_main
        return D_main + (strength - 1) * (D_main - models.weak(x, sigma))

    return denoiser  # the same as: guide(models.main, models.weak, strength, interval=(0, 0.5))
