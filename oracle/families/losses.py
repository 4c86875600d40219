"""Losses alone, over random outputs: what torch, transformers and diffusers give for them, with gradients by the outputs."""

from types import SimpleNamespace

import torch
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cosine_similarity,
    cross_entropy,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)

from kit.folder import FixtureFolder
from kit.numbers import settle

SMOOTHING, Z_WEIGHT, TEMPERATURE, SNR_GAMMA = 0.15, 0.02, 1.7, 4.0
CHOSEN = 2
# Boxes of each picture: some, none, one.
BOXES = (3, 0, 1)


def drawn(seed: int) -> dict:
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(shape, generator=random)

    def whole(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(high, shape, generator=random)

    labels = whole(11, 2, 6)
    labels[0, :2], labels[1, 4] = -100, -100
    centres = 0.3 + 0.4 * torch.rand(sum(BOXES), 2, generator=random)
    sizes = 0.1 + 0.3 * torch.rand(sum(BOXES), 2, generator=random)
    return {
        "scores": normal(4, 4, scale=2.0),
        **{"logits": normal(2, 6, 11, scale=2.0), "labels": labels},
        **{"masks": normal(3, 20, scale=2.0), "target_masks": (torch.rand(3, 20, generator=random) < 0.4).float()},
        **{"predicted": normal(3, 2, 4, 4), "latents": normal(3, 2, 4, 4), "noise": normal(3, 2, 4, 4)},
        **{"times": torch.tensor([1, 40, 95]), "moments": torch.sigmoid(normal(3))},
        **{"student": normal(5, 7, scale=2.0), "teacher": normal(5, 7, scale=2.0)},
        **{"router0": normal(6, 4), "router1": normal(6, 4), "present": torch.tensor([1, 0, 1, 1, 1, 1])},
        **{"features": normal(2, 3, 5), "target_features": normal(2, 3, 5), "places": torch.tensor([[1, 1, 0], [0, 1, 1]])},
        **{"classes": normal(len(BOXES), 5, 4, scale=1.5), "boxes": torch.sigmoid(normal(len(BOXES), 5, 4))},
        **{"target_boxes": torch.cat([centres, sizes], 1), "target_classes": whole(3, sum(BOXES))},
        "target_pictures": torch.repeat_interleave(torch.arange(len(BOXES)), torch.tensor(BOXES)),
        **{"codes": normal(1, 3, 2, 4), "book": normal(6, 3)},
    }


def picking(x: dict) -> dict:
    own = torch.arange(len(x["scores"]))

    def both(smoothing: float) -> torch.Tensor:
        ways = (x["scores"], x["scores"].T)
        return sum(cross_entropy(way, own, label_smoothing=smoothing) for way in ways) / 2

    return {"picking": both(0.0), "picking_smoothed": both(SMOOTHING)}


def words(x: dict) -> dict:
    scores, labels = x["logits"].flatten(end_dim=1), x["labels"].flatten()
    z = scores.logsumexp(-1)[labels != -100].square().mean()
    return {
        "words_smoothed": cross_entropy(scores, labels, label_smoothing=SMOOTHING),
        "words_z": cross_entropy(scores, labels) + Z_WEIGHT * z,
    }


def masks(x: dict) -> dict:
    from transformers.loss.loss_for_object_detection import dice_loss, sigmoid_focal_loss

    given = (x["masks"], x["target_masks"], len(x["masks"]))
    return {
        "focal": sigmoid_focal_loss(*given),
        "dice": dice_loss(*given),
        "binary": binary_cross_entropy_with_logits(*given[:2]),
    }


def schedule(dtype: torch.dtype) -> torch.Tensor:
    from diffusers import DDPMScheduler

    made = DDPMScheduler(num_train_timesteps=100, beta_start=0.001, beta_end=0.03, beta_schedule="scaled_linear")
    return made.alphas_cumprod.to(dtype)


def diffusion(x: dict) -> dict:
    from diffusers.training_utils import compute_loss_weighting_for_sd3

    kept = schedule(x["latents"].dtype)[x["times"]].view(-1, 1, 1, 1)
    velocity = kept.sqrt() * x["noise"] - (1 - kept).sqrt() * x["latents"]
    ratio = (kept / (1 - kept)).flatten()
    bounded = ratio.clamp(max=SNR_GAMMA)

    def each(target: torch.Tensor) -> torch.Tensor:
        return (x["predicted"] - target).square().mean((1, 2, 3))

    flow = each(x["noise"] - x["latents"])
    losses = {
        "snr_epsilon": (each(x["noise"]) * bounded / ratio).mean(),
        "snr_v_prediction": (each(velocity) * bounded / (ratio + 1)).mean(),
        "snr_sample": (each(x["latents"]) * bounded).mean(),
        "flow": flow.mean(),
    }
    for name in ("sigma_sqrt", "cosmap"):
        losses[f"flow_{name}"] = (flow * compute_loss_weighting_for_sd3(name, x["moments"])).mean()
    return losses


def detection(x: dict) -> tuple[dict, dict]:
    from transformers.loss.loss_for_object_detection import ForObjectDetectionLoss, HungarianMatcher

    wanted, given = [], []
    for boxes, classes in zip(x["target_boxes"].split(BOXES), x["target_classes"].split(BOXES), strict=True):
        wanted.append({"boxes": boxes, "class_labels": classes})
    found = {"logits": x["classes"], "pred_boxes": x["boxes"]}
    for answers, targets in HungarianMatcher(1, 5, 2)(found, wanted):
        given += [int(answers[(targets == i).nonzero()]) for i in range(len(targets))]
    settings = SimpleNamespace(
        **{"class_cost": 1, "bbox_cost": 5, "giou_cost": 2, "num_labels": 3, "eos_coefficient": 0.1},
        **{"bbox_loss_coefficient": 5, "giou_loss_coefficient": 2, "auxiliary_loss": False},
    )
    torch.set_default_dtype(x["classes"].dtype)  # of the weights of classes, which it makes itself
    loss, parts, _ = ForObjectDetectionLoss(x["classes"], wanted, x["classes"].device, x["boxes"], settings)
    torch.set_default_dtype(torch.float32)
    told = {"detect_class": parts["loss_ce"], "detect_distance": parts["loss_bbox"], "detect_overlap": parts["loss_giou"]}
    return {"detect": loss}, {"answers": torch.tensor(given)} | {name: value.detach() for name, value in told.items()}


def likeness(x: dict) -> dict:
    own, other = ((x[name] / TEMPERATURE).log_softmax(-1) for name in ("student", "teacher"))
    square = TEMPERATURE**2
    places = x["places"].to(x["features"].dtype)
    pair = (x["features"], x["target_features"])

    def masked(far: torch.Tensor) -> torch.Tensor:
        return (far * places).sum() / places.sum()

    return {
        "distil_forward": square * kl_div(own, other, reduction="batchmean", log_target=True),
        "distil_reverse": square * kl_div(other, own, reduction="batchmean", log_target=True),
        "regression_squared": masked(mse_loss(*pair, reduction="none").mean(-1)),
        "regression_absolute": masked(l1_loss(*pair, reduction="none").mean(-1)),
        "regression_huber": masked(smooth_l1_loss(*pair, reduction="none", beta=0.5).mean(-1)),
        "regression_cosine": masked(1 - cosine_similarity(*pair, dim=-1)),
        "regression_all": mse_loss(*pair),
    }


def experts(x: dict) -> dict:
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    routers = (x["router0"], x["router1"])
    return {
        "balance": load_balancing_loss_func(routers, 4, CHOSEN),
        "balance_present": load_balancing_loss_func(routers, 4, CHOSEN, x["present"].view(2, 3)),
        "router_z": torch.cat(routers).logsumexp(-1).square().mean(),
    }


def codes(x: dict) -> dict:
    from diffusers.models.autoencoders.vae import VectorQuantizer

    book = VectorQuantizer(len(x["book"]), x["book"].shape[1], beta=0.25, legacy=False).to(x["book"].dtype)
    del book.embedding.weight
    book.embedding.weight = x["book"]
    return {"commitment": book(x["codes"])[1]}


def losses(fixture: FixtureFolder) -> None:
    fixture.model.rmdir()

    def compute(inputs: dict, dtype: torch.dtype) -> dict:
        free = ("scores", "logits", "masks", "predicted", "student", "router0", "router1", "features", "classes", "boxes")
        free += ("codes", "book")
        x = {name: value.clone().requires_grad_(name in free) for name, value in inputs.items()}
        detected, found = detection(x)
        given = picking(x) | words(x) | masks(x) | diffusion(x) | likeness(x) | experts(x) | codes(x) | detected
        for name, loss in given.items():
            found[f"loss.{name}"] = loss.detach()
            slopes = torch.autograd.grad(loss, [x[one] for one in free], retain_graph=True, allow_unused=True)
            found |= {f"grad.{name}.{one}": slope for one, slope in zip(free, slopes, strict=True) if slope is not None}
        return found | {"kept": schedule(dtype)}

    fixture.info["settings"] = {"smoothing": SMOOTHING, "z_weight": Z_WEIGHT, "temperature": TEMPERATURE, "snr_gamma": SNR_GAMMA}
    fixture.note(
        "grad.<loss>.<input> is the gradient of loss.<loss> by an input",
        "answers[n] is the answer that box n is matched with; detect_* are the parts of loss.detect",
        "kept is the part of a picture's variance that is left at each of 100 moments",
    )
    settle(fixture, drawn(fixture.seed), compute)
