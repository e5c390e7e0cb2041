const basket = [];

acme.add = function (name) {
  basket.push(name);
  return basket.length;
};
