"""ONNX's backend interface: `quantc.backend.run_model(model, inputs)`."""

import onnx
from onnx import checker, helper
from onnx.backend.base import Backend, BackendRep, namedtupledict

import quantc


class QuantcBackendRep(BackendRep):
    """A compiled model, as ONNX's backend interface wants it."""

    def __init__(self, model):
        self.model = model

    def run(self, inputs, **kwargs):
        if not isinstance(inputs, (dict, list, tuple)):
            inputs = [inputs]
        names = [output.name for output in self.model.outputs]
        return namedtupledict("Outputs", names)(*self.model.run(inputs))


class QuantcBackend(Backend):
    @classmethod
    def is_compatible(cls, model, device="CPU", **kwargs):
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        """Compiles a model. Keywords go to `quantc.compile`."""
        if not cls.supports_device(device):
            raise ValueError(f"there is no device {device}: models run on the CPU")
        return QuantcBackendRep(quantc.compile(model, **kwargs))

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        """Runs one node. The model around it takes its types from the inputs and,
        if given, from `outputs_info` (pairs of dtype and shape)."""
        opset = kwargs.pop("opset_version", None) or onnx.defs.onnx_opset_version()
        checker.check_node(node, cls._context(opset))
        names = [name for name in node.input if name]
        if isinstance(inputs, dict):
            inputs = [inputs[name] for name in names]
        graph_inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in zip(names, inputs)
        ]
        if outputs_info is None:
            outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
        else:
            outputs = [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(dtype), shape
                )
                for name, (dtype, shape) in zip(node.output, outputs_info)
            ]
        graph = helper.make_graph([node], "node", graph_inputs, outputs)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid(node.domain, opset)]
        )
        if outputs_info is None:
            model = onnx.shape_inference.infer_shapes(model)
        return cls.run_model(model, list(inputs), device, **kwargs)

    @staticmethod
    def _context(opset):
        context = checker.C.CheckerContext()
        context.ir_version = onnx.IR_VERSION
        context.opset_imports = {"": opset}
        return context

    @classmethod
    def supports_device(cls, device):
        return onnx.backend.base.Device(device).type == onnx.backend.base.DeviceType.CPU


prepare = QuantcBackend.prepare
run_model = QuantcBackend.run_model
run_node = QuantcBackend.run_node
supports_device = QuantcBackend.supports_device
is_compatible = QuantcBackend.is_compatible
