import torch

from partflow.model.embedding import MAX_STANDARDISED, Standardisation


def drawn(rows=2000):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, 3, generator=generator) * torch.tensor([2.0, 0.1, 30.0]) + 5.0


def test_standardised_training_data_have_mean_0_and_deviation_1():
    inputs, standardisation = drawn(), Standardisation(3)
    standardisation.fit(inputs)
    standardised = standardisation(inputs)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(standardised.std(0), torch.ones(3), atol=1e-3, rtol=0)


def test_a_constant_column_becomes_0():
    inputs, standardisation = drawn(), Standardisation(3)
    inputs[:, 1] = 123.456
    standardisation.fit(inputs)
    standardised = standardisation(inputs)[:, 1]
    torch.testing.assert_close(standardised, torch.zeros(len(inputs)), atol=1e-3, rtol=0)


def test_an_outlier_is_set_to_the_bound():
    standardisation = Standardisation(3)
    standardisation.fit(drawn())
    assert standardisation(torch.full((1, 3), 1e6)).tolist() == [[MAX_STANDARDISED] * 3]


def test_without_rows_nothing_is_fitted():
    standardisation = Standardisation(3)
    standardisation.fit(torch.zeros(0, 3))
    inputs = torch.ones(2, 3)
    assert torch.equal(standardisation(inputs), inputs)
