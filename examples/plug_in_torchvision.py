"""QAM and PC in a detector they know nothing of, torchvision's Mask R-CNN (docs/plug-in.md)."""

import copy

import torch
from detectron2.structures import Boxes, Instances
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import batched_nms, roi_align

from boxseg.copy_paste import TrainingSample
from boxseg.ema import ema_momentum, update_ema
from boxseg.mask_losses import dice_loss
from boxseg.peer_copy_paste import PeerCopyPaste
from boxseg.pseudo_labels import TeacherPredictions
from boxseg.pseudo_mask_losses import quality_weighted_mean
from boxseg.quality_aware import QualityAwareModule


# The student's image with pseudo masks made of what the teacher proposes for it.
@torch.no_grad()
def labelled(teacher, qam, image, boxes, classes):
    (found,) = teacher([image / 255])  # nothing suppressed; masks are (M, 1, H, W) at every pixel
    at, scores, labels, size = found["boxes"], found["scores"], found["labels"], image.shape[1:]
    one_image = ([len(at)], [tuple(size)], [1.0], 1)  # counts, sizes, scales, stride of the masks
    functions = lambda i, _: found["masks"][i, 0], lambda: [batched_nms(at, scores, labels, 0.5)]
    proposals = TeacherPredictions(at, scores, labels, *one_image, *functions)
    made = qam(proposals, [Instances(tuple(size), gt_boxes=Boxes(boxes), gt_classes=classes)])
    pseudo = (made.masks, made.quality, made.scores, made.valid)
    return TrainingSample(image, boxes, classes, *pseudo, pasted=torch.zeros_like(made.valid))


def training_step(student, teacher, qam, pc, batch, iteration):
    update_ema(teacher, student, ema_momentum(iteration - 1))
    samples, statistics = pc([labelled(teacher, qam, *x) for x in batch], iteration)
    images, boxes = [s.image / 255 for s in samples], [s.boxes for s in samples]
    targets = [{"boxes": s.boxes, "labels": s.classes, "masks": s.masks.byte()} for s in samples]
    losses, heads = student(images, targets), student.roi_heads
    inputs, _ = student.transform(images)
    regions = heads.mask_roi_pool(student.backbone(inputs.tensors), boxes, inputs.image_sizes)
    logits = heads.mask_predictor(heads.mask_head(regions))
    logits = logits[range(len(logits)), torch.cat([s.classes for s in samples])]
    wanted = [roi_align(s.masks[:, None].float(), [*s.boxes[:, None]], 28)[:, 0] for s in samples]
    quality, valid = (torch.cat([getattr(s, n) for s in samples]) for n in ("quality", "valid"))
    dice = dice_loss(logits[valid].sigmoid(), (torch.cat(wanted)[valid] > 0.5).float())
    losses["loss_mask"] = quality_weighted_mean(dice, quality[valid])  # Eq. 1, not torchvision's
    return losses, statistics


if __name__ == "__main__":
    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=5)
    student = MaskRCNN(backbone, 3, min_size=32, max_size=32, box_score_thresh=0.0)
    teacher = copy.deepcopy(student).eval()
    teacher.roi_heads.nms_thresh = 1.0  # QAM ranks what is proposed before suppression
    qam, pc = QualityAwareModule(), PeerCopyPaste(probability=1.0, warmup_iterations=0)
    box, image = torch.tensor([[4.0, 2.0, 26.0, 30.0]]), torch.randint(256, (3, 32, 32)).byte()
    losses, _ = training_step(student, teacher, qam, pc, [(image, box, torch.tensor([1]))], 1)
    sum(losses.values()).backward()
    print({name: round(loss.item(), 3) for name, loss in losses.items()})
