//! Which operators have a form for a device. Only the device path imports this table.

use crate::ops::add;
use crate::ops::add::Add;
use crate::ops::average_pool;
use crate::ops::average_pool::AveragePool;
use crate::ops::batch_norm;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::channel_shuffle;
use crate::ops::channel_shuffle::ChannelShuffle;
use crate::ops::concat;
use crate::ops::concat::Concat;
use crate::ops::conv;
use crate::ops::conv::Conv;
use crate::ops::dropout;
use crate::ops::dropout::Dropout;
use crate::ops::global_pool;
use crate::ops::global_pool::GlobalPool;
use crate::ops::launch::twin::Twin;
use crate::ops::linear;
use crate::ops::linear::Linear;
use crate::ops::max_pool;
use crate::ops::max_pool::MaxPool;
use crate::ops::mixed_cell;
use crate::ops::mixed_cell::MixedCell;
use crate::ops::mixed_cell::cuda::MOST_INPUTS;
use crate::ops::narrow;
use crate::ops::narrow::Narrow;
use crate::ops::operator::Operator;
use crate::ops::relu;
use crate::ops::relu::Relu;
use crate::ops::segment_softmax;
use crate::ops::segment_softmax::SegmentSoftmax;
use crate::ops::separable;
use crate::ops::separable::Separable;
use crate::ops::softmax;
use crate::ops::softmax::Softmax;
use crate::ops::subsample;
use crate::ops::subsample::Subsample;
use crate::ops::upsample;
use crate::ops::upsample::Upsample;
use crate::ops::weighted_sum;
use crate::ops::weighted_sum::WeightedSum;
use std::any::Any;

/// The twin of an operator.
///
/// Errors: it has none yet.
pub fn twin(op: &dyn Operator) -> Result<Box<dyn Twin + '_>, String> {
    let any: &dyn Any = op;
    if let Some(op) = any.downcast_ref::<Add>() {
        return Ok(Box::new(add::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<AveragePool>() {
        return Ok(Box::new(average_pool::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<BatchNorm>() {
        return Ok(Box::new(batch_norm::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<ChannelShuffle>() {
        return Ok(Box::new(channel_shuffle::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Concat>() {
        return Ok(Box::new(concat::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Conv>() {
        return Ok(Box::new(conv::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Dropout>() {
        return Ok(Box::new(dropout::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<GlobalPool>() {
        return Ok(Box::new(global_pool::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Linear>() {
        return Ok(Box::new(linear::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<MaxPool>() {
        return Ok(Box::new(max_pool::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<MixedCell>() {
        if op.inputs > MOST_INPUTS {
            return Err(format!(
                "mixed_cell: at most {MOST_INPUTS} states from outside were expected, found {}",
                op.inputs
            ));
        }
        return Ok(Box::new(mixed_cell::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Relu>() {
        return Ok(Box::new(relu::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<SegmentSoftmax>() {
        return Ok(Box::new(segment_softmax::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Separable>() {
        return Ok(Box::new(separable::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Softmax>() {
        return Ok(Box::new(softmax::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Subsample>() {
        return Ok(Box::new(subsample::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Upsample>() {
        return Ok(Box::new(upsample::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<Narrow>() {
        return Ok(Box::new(narrow::cuda::OnDevice(op)));
    }
    if let Some(op) = any.downcast_ref::<WeightedSum>() {
        return Ok(Box::new(weighted_sum::cuda::OnDevice(op)));
    }
    Err(format!("{}: there are no kernels for this operator", op.name()))
}
